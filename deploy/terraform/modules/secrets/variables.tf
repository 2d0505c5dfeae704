variable "name" {
  description = "Prefix of the secrets' names."
  type        = string
}

variable "passwords" {
  description = "Secrets that are made: passwords of 40 letters and digits."
  type        = set(string)
}

variable "given" {
  description = "Secrets that are put in by hand, with what they hold."
  type        = map(string)
}

variable "password_version" {
  description = "Counts up to replace every password that is made."
  type        = number
}
