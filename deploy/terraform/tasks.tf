# The two services and the jobs that run once, all of them on Fargate.

locals {
  metrics = {
    image         = var.collector_image
    workspace_arn = module.metrics.workspace_arn
    write_url     = module.metrics.write_url
  }
}

resource "aws_ecs_cluster" "this" {
  name = local.name
  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

module "api_task" {
  source           = "./modules/task"
  family           = "${local.name}-api"
  container        = "api"
  image            = "${local.images.api}:${var.image_tag}"
  repository_arn   = local.repository_arns.api
  region           = var.region
  cpu_architecture = var.cpu_architecture
  cpu              = var.api.cpu
  memory           = var.api.memory
  health_command   = ["/api", "healthcheck"]
  ports            = [local.api_port]
  stop_seconds     = 40 # the API stops in 26 s at most
  environment      = local.api_environment
  secrets          = local.api_secrets
  rights           = local.api_rights
  metrics          = merge(local.metrics, { port = local.api_port })
  log_days         = var.log_days
}

module "api_service" {
  source              = "./modules/service"
  name                = "${local.name}-api"
  cluster_name        = aws_ecs_cluster.this.name
  cluster_arn         = aws_ecs_cluster.this.arn
  task_definition_arn = module.api_task.arn
  container           = "api"
  port                = local.api_port
  target_group_arn    = module.edge.target_group_arn
  subnet_ids          = module.network.private_subnets
  security_group_id   = aws_security_group.api.id
  min                 = var.running ? var.api.min : 0
  max                 = var.running ? var.api.max : 0
}

module "worker_task" {
  source           = "./modules/task"
  family           = "${local.name}-worker"
  container        = "worker"
  image            = "${local.images.worker}:${var.image_tag}"
  repository_arn   = local.repository_arns.worker
  region           = var.region
  cpu_architecture = var.cpu_architecture
  cpu              = var.worker.cpu
  memory           = var.worker.memory
  health_command   = ["/worker", "healthcheck"]
  ports            = [local.worker_port]
  stop_seconds     = 40 # the worker stops in 26 s at most
  environment      = local.worker_environment
  secrets          = local.worker_secrets
  rights           = local.worker_rights
  metrics          = merge(local.metrics, { port = local.worker_port })
  log_days         = var.log_days
}

module "worker_service" {
  source              = "./modules/service"
  name                = "${local.name}-worker"
  cluster_name        = aws_ecs_cluster.this.name
  cluster_arn         = aws_ecs_cluster.this.arn
  task_definition_arn = module.worker_task.arn
  container           = "worker"
  port                = local.worker_port
  subnet_ids          = module.network.private_subnets
  security_group_id   = aws_security_group.worker.id
  min                 = var.running ? var.worker.min : 0
  max                 = var.running ? var.worker.max : 0
}

# Run by every release before the services are updated.
module "migrate_task" {
  source           = "./modules/task"
  family           = "${local.name}-migrate"
  container        = "migrate"
  image            = "${local.images.api}:${var.image_tag}"
  repository_arn   = local.repository_arns.api
  region           = var.region
  cpu_architecture = var.cpu_architecture
  cpu              = 256
  memory           = 512
  command          = ["migrate"]
  stop_seconds     = 120 # a statement that changes a table is not cut off
  environment      = local.migrate_environment
  secrets          = local.migrate_secrets
  log_days         = var.log_days
}

# Run by hand: adds the operator, or changes the operator's password.
module "operator_task" {
  source           = "./modules/task"
  family           = "${local.name}-operator"
  container        = "operator"
  image            = "${local.images.api}:${var.image_tag}"
  repository_arn   = local.repository_arns.api
  region           = var.region
  cpu_architecture = var.cpu_architecture
  cpu              = 256
  memory           = 512
  command          = ["operator"]
  environment      = local.operator_environment
  secrets          = local.operator_secrets
  log_days         = var.log_days
}

# Run by hand before the first migration and after every change of passwords:
# makes databases and accounts with the master accounts.
module "accounts_task" {
  source           = "./modules/task"
  family           = "${local.name}-accounts"
  container        = "accounts"
  image            = var.mysql_client_image
  region           = var.region
  cpu_architecture = var.cpu_architecture
  cpu              = 256
  memory           = 512
  entry_point      = ["/bin/bash", "-c"]
  command          = [file("${path.module}/accounts.sh")]
  user             = "65532:65532"
  read_only        = false # the client wants its certificates in a file
  environment      = local.accounts_environment
  secrets          = local.accounts_secrets
  log_days         = var.log_days
}
