variable "name" {
  description = "Prefix of every name, and the name of the configuration set."
  type        = string
}

variable "account" {
  description = "ID of the AWS account, whose SES alone may publish events."
  type        = string
}
