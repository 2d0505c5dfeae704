variable "name" {
  description = "Name of workspace and rules."
  type        = string
}

variable "region" {
  description = "AWS region of the topic."
  type        = string
}

variable "rules" {
  description = "Prometheus rules, YAML; null for none."
  type        = string
}

variable "topic_arn" {
  description = "SNS topic of the alerts."
  type        = string
}
