variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "AWS region, a part of the endpoints' names."
  type        = string
}

variable "cidr" {
  description = "Address range of the VPC; each subnet takes a sixteenth."
  type        = string
}

variable "zones" {
  description = "Availability zones to spread over."
  type        = list(string)
}

variable "nat" {
  description = "NAT gateways: one for all zones, or one per_zone."
  type        = string
}

variable "interface_endpoints" {
  description = "AWS services to reach without NAT, as in com.amazonaws.<region>.<service>."
  type        = set(string)
}
