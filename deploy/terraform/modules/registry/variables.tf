variable "repositories" {
  description = "Names of the repositories."
  type        = set(string)
}
