output "arn" {
  description = "ARN of the revision that Terraform registered."
  value       = aws_ecs_task_definition.this.arn
}

output "family" {
  description = "Name of the task definition."
  value       = aws_ecs_task_definition.this.family
}

output "log_group" {
  description = "Name of the log."
  value       = aws_cloudwatch_log_group.this.name
}

output "role_arns" {
  description = "Roles that whoever starts the task must pass to it."
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}
