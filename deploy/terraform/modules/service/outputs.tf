output "name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "arn" {
  description = "ARN of the service."
  value       = aws_ecs_service.this.id
}

output "scaling" {
  description = "What a scaling policy of this service refers to."
  value = {
    namespace   = aws_appautoscaling_target.this.service_namespace
    dimension   = aws_appautoscaling_target.this.scalable_dimension
    resource_id = aws_appautoscaling_target.this.resource_id
  }
}
