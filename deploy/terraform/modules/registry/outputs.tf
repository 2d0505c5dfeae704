output "names" {
  description = "Names of the repositories that are there."
  value       = [for repository in aws_ecr_repository.this : repository.name]
}
