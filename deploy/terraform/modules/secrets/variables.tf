variable "name" {
  description = "Prefix of the secrets' names."
  type        = string
}

variable "passwords" {
  description = "Secrets that are made, 40 letters and digits each, with what they are for."
  type        = map(string)
}

variable "given" {
  description = "Secrets that are put in by hand, with what they hold."
  type        = map(string)
}

variable "password_version" {
  description = "Counts up to replace every password that is made."
  type        = number
}
