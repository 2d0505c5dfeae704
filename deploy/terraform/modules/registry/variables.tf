variable "repositories" {
  description = "Names of the repositories."
  type        = set(string)
}

variable "readers" {
  description = "Other accounts that may pull."
  type        = list(string)
}
