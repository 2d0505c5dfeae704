# What the pipelines and the operator need. The first block goes into the
# variables of the GitHub environment: terraform output -json pipeline.

output "images" {
  description = "Variables of the GitHub repository for release.yml; null where the registry is another environment's."
  value = var.create_registry ? {
    AWS_REGION      = var.region
    IMAGES_ROLE_ARN = aws_iam_role.images[0].arn
    ECR_REGISTRY    = local.registry
  } : null
}

output "pipeline" {
  description = "Variables of the GitHub environment for release.yml and rollback.yml."
  value = {
    AWS_REGION            = var.region
    AWS_ROLE_ARN          = aws_iam_role.deploy.arn
    ECR_REGISTRY          = local.registry
    ECS_CLUSTER           = aws_ecs_cluster.this.name
    API_SERVICE           = module.api_service.name
    WORKER_SERVICE        = module.worker_service.name
    MIGRATE_TASK_FAMILY   = module.migrate_task.family
    TASK_SUBNETS          = join(",", module.network.private_subnets)
    TASK_SECURITY_GROUP   = aws_security_group.jobs.id
    MIGRATE_LOG_GROUP     = module.migrate_task.log_group
    API_URL               = "https://${var.domain}"
    TEMPORAL_NAMESPACE    = var.temporal_namespace
    PAGES_BUCKET          = module.edge.pages_bucket
    PAGES_DISTRIBUTION_ID = module.edge.distribution_id
  }
}

output "ecr_urls" {
  description = "Image repository of each program."
  value       = local.images
}

output "cluster_name" {
  description = "ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "service_names" {
  description = "ECS service of each program."
  value       = { api = module.api_service.name, worker = module.worker_service.name }
}

output "task_families" {
  description = "Task definition of each program and job."
  value = {
    api      = module.api_task.family
    worker   = module.worker_task.family
    migrate  = module.migrate_task.family
    operator = module.operator_task.family
    accounts = module.accounts_task.family
  }
}

output "task_subnets" {
  description = "Subnets for tasks that run once."
  value       = module.network.private_subnets
}

output "task_security_group" {
  description = "Security group for tasks that run once."
  value       = aws_security_group.jobs.id
}

output "deploy_role_arn" {
  description = "Role of the release pipeline."
  value       = aws_iam_role.deploy.arn
}

output "secret_arns" {
  description = "Secrets by name; those that are put in by hand are named in the README beside these files."
  value       = module.secrets.arns
}

output "url" {
  description = "Where site and API are."
  value       = "https://${var.domain}"
}

output "nat_addresses" {
  description = "Addresses that calls to Temporal come from, for its allow list."
  value       = module.network.nat_addresses
}

output "prometheus_url" {
  description = "Data source for Grafana, with the dashboards of deploy/grafana."
  value       = module.metrics.query_url
}

output "dashboard" {
  description = "CloudWatch dashboard."
  value       = module.observability.dashboard
}
