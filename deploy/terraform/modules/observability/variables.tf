variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "AWS region of the dashboard's metrics."
  type        = string
}

variable "active" {
  description = "Whether alarms are sent; not while nothing is meant to run."
  type        = bool
}

variable "emails" {
  description = "Addresses that receive alarms."
  type        = list(string)
}

variable "slack" {
  description = "Slack workspace and channel that receive alarms; null for none."
  type        = object({ team_id = string, channel_id = string })
}

variable "cluster_name" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "service_names" {
  description = "Name of each program's service."
  type        = map(string)
}

variable "service_arns" {
  description = "ARN of each program's service."
  type        = map(string)
}

variable "log_groups" {
  description = "Log of each program."
  type        = map(string)
}

variable "queue_name" {
  description = "Name of the records queue."
  type        = string
}

variable "dead_letter_name" {
  description = "Name of the dead letters."
  type        = string
}

variable "mail_queues" {
  description = "Names of the queue of mail events and of its dead letters; null when no mails are sent."
  type        = object({ events = string, dead_letters = string })
}

variable "balancer_suffix" {
  description = "Name of the load balancer in CloudWatch."
  type        = string
}

variable "target_group_suffix" {
  description = "Name of the API's target group in CloudWatch."
  type        = string
}

variable "database_clusters" {
  description = "Cluster identifier of each database."
  type        = map(string)
}

variable "connection_limit" {
  description = "Connections to one database that the programs' pools can come to."
  type        = number
}

variable "distribution_id" {
  description = "CloudFront distribution."
  type        = string
}

variable "database_memory" {
  description = "Bytes of free memory below which each database is short of it."
  type        = map(number)
}

variable "serverless" {
  description = "Whether each database grows and shrinks by itself."
  type        = map(bool)
}

variable "storage_alarm_bytes" {
  description = "Bytes of one database at which somebody looks."
  type        = number
}
