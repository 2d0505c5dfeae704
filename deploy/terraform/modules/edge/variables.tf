variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "domain" {
  description = "Host name of site and API."
  type        = string
}

variable "zone_id" {
  description = "Route 53 hosted zone that the domain is in."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the load balancer."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the load balancer, one per zone."
  type        = list(string)
}

variable "api_security_group_id" {
  description = "Security group of the API's tasks."
  type        = string
}

variable "api_port" {
  description = "Port that the API serves."
  type        = number
}

variable "api_paths" {
  description = "Paths that the API answers, 5 at most."
  type        = list(string)
}

variable "page_paths" {
  description = "Paths of the pages that the API renders and of their assets, besides /; 4 at most. Everything else is a static page."
  type        = list(string)
}

variable "own_paths" {
  description = "Paths of pages that are not the same for everyone, within page_paths: no cache keeps them, and they get cookies and forms."
  type        = list(string)
}

variable "page_parameters" {
  description = "Parameters that pages have: a cache keeps a page for each of their values, and ignores all others."
  type        = list(string)
}

variable "read_limit" {
  description = "Reads without a login in 5 minutes from one address."
  type        = number
}

variable "log_days" {
  description = "Days that the logs of CDN, firewall and load balancer are kept."
  type        = number
}

variable "request_limit" {
  description = "Other requests in 5 minutes from one address."
  type        = number
}

variable "login_limit" {
  description = "Logins, sign-ups and refreshes in 5 minutes from one address."
  type        = number
}

variable "price_class" {
  description = "Where CloudFront serves from: PriceClass_100, PriceClass_200 or PriceClass_All."
  type        = string
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer."
  type        = bool
}
