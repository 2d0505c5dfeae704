variable "name" {
  description = "Prefix of the budget's name."
  type        = string
}

variable "dollars" {
  description = "US dollars a month."
  type        = number
}

variable "topic_arn" {
  description = "SNS topic that receives the notices."
  type        = string
}

variable "emails" {
  description = "Addresses that receive them as well."
  type        = list(string)
}
