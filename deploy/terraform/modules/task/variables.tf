variable "family" {
  description = "Name of the task definition; its log is /<family>."
  type        = string
}

variable "container" {
  description = "Name of the container; the release pipeline looks for it."
  type        = string
}

variable "image" {
  description = "Image with its tag."
  type        = string
}

variable "repository_arn" {
  description = "ECR repository of the image; null for a public one."
  type        = string
  default     = null
}

variable "region" {
  description = "AWS region of the log."
  type        = string
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64, as the image was built."
  type        = string
}

variable "cpu" {
  description = "CPU units; 1,024 are a vCPU."
  type        = number
}

variable "memory" {
  description = "Memory in MiB."
  type        = number
}

variable "entry_point" {
  description = "In place of the image's own."
  type        = list(string)
  default     = null
}

variable "command" {
  description = "Arguments of the program."
  type        = list(string)
  default     = null
}

variable "health_command" {
  description = "Program and arguments that succeed while the container is healthy."
  type        = list(string)
  default     = null
}

variable "ports" {
  description = "Ports that the container serves."
  type        = list(number)
  default     = []
}

variable "stop_seconds" {
  description = "Seconds from SIGTERM to SIGKILL; Fargate allows 120."
  type        = number
  default     = 30
}

variable "user" {
  description = "uid:gid that the program runs as."
  type        = string
  default     = "65532:65532" # nonroot of distroless images
}

variable "read_only" {
  description = "Mount the root file system read-only."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Settings and their values; null leaves one out."
  type        = map(string)
}

variable "secrets" {
  description = "Settings and the ARNs of the secrets that hold their values; null leaves one out."
  type        = map(string)
}

variable "rights" {
  description = "IAM statements of what the program may do."
  type = list(object({
    Sid      = string
    Effect   = string
    Action   = list(string)
    Resource = string
  }))
  default = []
}

variable "metrics" {
  description = "Port that serves /metrics, the image of the collector, and the workspace of Prometheus; null for none."
  type        = object({ port = number, image = string, workspace_arn = string, write_url = string })
  default     = null
}

variable "log_days" {
  description = "Days that the log is kept."
  type        = number
}
