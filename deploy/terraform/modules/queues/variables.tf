variable "name" {
  description = "Prefix of the queues' names."
  type        = string
}

variable "visibility_seconds" {
  description = "How long a received message is hidden, in seconds; recovery from a crash of the bridge waits for it."
  type        = number
  default     = 10
}

variable "max_receives" {
  description = "Receives after which a message goes to the dead letters."
  type        = number
  default     = 5
}
