variable "name" {
  description = "Name of the vault and prefix of what belongs to it."
  type        = string
}

variable "cluster_arns" {
  description = "Clusters to copy, by database."
  type        = map(string)
}

variable "days" {
  description = "Days that each copy is kept and cannot be deleted."
  type        = number
}

variable "lock_grace" {
  description = "Days after which the lock cannot be taken off any more; null for never."
  type        = number
}

variable "topic_arn" {
  description = "SNS topic that receives failed backups."
  type        = string
}
