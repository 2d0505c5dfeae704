variable "name" {
  description = "Prefix of the budget's name."
  type        = string
}

variable "dollars" {
  description = "US dollars a month."
  type        = number
}

variable "topic_arn" {
  description = "SNS topic that is told."
  type        = string
}

variable "emails" {
  description = "Addresses that are told too."
  type        = list(string)
}
