output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnets" {
  description = "Subnets of tasks and load balancer, one per zone."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "data_subnets" {
  description = "Subnets of databases, one per zone."
  value       = [for subnet in aws_subnet.data : subnet.id]
}

output "nat_addresses" {
  description = "Public addresses that calls to the internet come from, to be allowed by whoever filters."
  value       = [for address in aws_eip.nat : address.public_ip]
}
