variable "name" {
  description = "Name of the cluster and of all that belongs to it."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the security group."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the instances, one per zone."
  type        = list(string)
}

variable "clients" {
  description = "Security groups that may connect, by what they are."
  type        = map(string)
}

variable "engine_version" {
  description = "Aurora MySQL; another one is installed in the next maintenance window."
  type        = string
}

variable "instance_class" {
  description = "Class of every instance; db.serverless scales within capacity."
  type        = string
}

variable "instances" {
  description = "How many instances: 1, or 2 to survive a zone."
  type        = number
}

variable "capacity" {
  description = "Aurora capacity units of a serverless instance, each of about 2 GiB; null for other classes."
  type        = object({ min = number, max = number })
}

variable "io_optimized" {
  description = "Pay more for instances and storage and nothing for I/O: cheaper once I/O is a quarter of the bill."
  type        = bool
}

variable "backup_days" {
  description = "Days that any moment can be restored to."
  type        = number
}

variable "deletion_protection" {
  description = "Refuse to delete the cluster."
  type        = bool
}
