variable "name" {
  description = "Name of the service."
  type        = string
}

variable "cluster_name" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "Revision at creation; releases put in newer ones."
  type        = string
}

variable "container" {
  description = "Container that the load balancer talks to."
  type        = string
}

variable "port" {
  description = "Port that the container serves."
  type        = number
}

variable "target_group_arn" {
  description = "Target group of the load balancer; null for a service that nobody calls."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of the tasks, one per zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "min" {
  description = "Fewest tasks."
  type        = number
}

variable "max" {
  description = "Most tasks."
  type        = number
}
