# All parts of one environment, in the order of a record's path. Names are
# mrmrthon-<environment>[-<part>]; the release pipeline relies on them.

locals {
  name  = "mrmrthon-${var.environment}"
  zones = slice(data.aws_availability_zones.this.names, 0, 2)

  # Zones, by their ID, that lack something of what is used here. Names of zones differ from account to account, IDs do
  # not. The regions that CloudFront's page on VPC origins and Fargate's page on regions list with exceptions.
  zones_without = {
    # Neither Graviton for Fargate nor most newer instance classes.
    fargate_arm = ["use1-az3"]
    # us-west-1 and ap-northeast-1: Fargate runs in the zones az1 and az3, and az1, az2 and az4 only.
    fargate     = ["usw1-az2", "apne1-az3"]
    vpc_origins = ["usw1-az2", "apne1-az3", "cac1-az3"]
  }
  excluded_zones = sort(setunion(
    local.zones_without.fargate,
    local.zones_without.vpc_origins,
    var.cpu_architecture == "ARM64" ? local.zones_without.fargate_arm : [],
    var.excluded_zones,
  ))

  tags = {
    Project     = "mrmrthon"
    Environment = var.environment
    ManagedBy   = "terraform"
  }

  account = data.aws_caller_identity.this.account_id
  # Images are pushed to one account and pulled from it by the environments of every account.
  registry         = coalesce(var.registry, "${local.account}.dkr.ecr.${var.region}.amazonaws.com")
  registry_account = split(".", local.registry)[0]
  images           = { for program in ["api", "worker"] : program => "${local.registry}/mrmrthon/${program}" }
  repository_arns = {
    for program in ["api", "worker"] : program => "arn:aws:ecr:${var.region}:${local.registry_account}:repository/mrmrthon/${program}"
  }
}

data "aws_caller_identity" "this" {}

data "aws_availability_zones" "this" {
  state            = "available"
  exclude_zone_ids = local.excluded_zones
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # no local zones
  }
}

data "aws_route53_zone" "this" {
  name = var.zone
}

module "network" {
  source              = "./modules/network"
  name                = local.name
  region              = var.region
  cidr                = var.vpc_cidr
  zones               = local.zones
  nat                 = var.nat
  interface_endpoints = var.interface_endpoints
}

module "edge" {
  source                = "./modules/edge"
  name                  = local.name
  domain                = var.domain
  zone_id               = data.aws_route53_zone.this.zone_id
  vpc_id                = module.network.vpc_id
  subnet_ids            = module.network.private_subnets
  api_security_group_id = aws_security_group.api.id
  api_port              = local.api_port
  api_paths             = ["/v1/*", "/docs*", "/openapi.json", "/.well-known/*"]
  own_paths             = ["/??/account/*", "/??/my*", "/??/organize*", "/??/operate*"] # pages behind the login: see api/pages
  page_paths            = ["/assets/*", "/??", "/??/*"]                                 # /en and /ko with what is below them
  page_parameters       = ["after", "age_group", "best", "bib", "division", "field", "from", "list", "page", "q", "rows", "season", "sex", "show", "to", "version"]
  request_limit         = var.request_limit
  read_limit            = var.read_limit
  login_limit           = var.login_limit
  price_class           = var.price_class
  log_days              = var.access_log_days
  deletion_protection   = var.deletion_protection
  providers = {
    aws.us_east_1 = aws.us_east_1
  }
}

module "main_db" {
  source              = "./modules/database"
  name                = "${local.name}-main"
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.data_subnets
  clients             = local.database_clients
  engine_version      = var.aurora_version
  instance_class      = var.main_db.class
  instances           = var.main_db.instances
  capacity            = var.main_db.capacity
  io_optimized        = var.main_db.io_optimized
  backup_days         = var.backup_days
  deletion_protection = var.deletion_protection
}

# Accounts and ledger: a cluster, a key and a security group apart.
module "user_db" {
  source              = "./modules/database"
  name                = "${local.name}-user"
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.data_subnets
  clients             = local.database_clients
  engine_version      = var.aurora_version
  instance_class      = var.user_db.class
  instances           = var.user_db.instances
  capacity            = var.user_db.capacity
  io_optimized        = var.user_db.io_optimized
  backup_days         = var.backup_days
  deletion_protection = var.deletion_protection
}

module "queues" {
  source = "./modules/queues"
  name   = local.name
}

module "mail" {
  count   = var.mail_from == "" ? 0 : 1
  source  = "./modules/mail"
  name    = local.name
  account = local.account
}

locals {
  passwords = {
    "main-ddl-password"    = "main_db, the migrations' account"
    "main-api-password"    = "main_db, the API's account"
    "main-worker-password" = "main_db, the worker's account"
    "user-ddl-password"    = "user_db, the migrations' account"
    "user-api-password"    = "user_db, the API's account"
    "user-worker-password" = "user_db, the worker's account"
    "operator-password"    = "The operator's login"
  }
}

module "secrets" {
  source           = "./modules/secrets"
  name             = local.name
  password_version = var.password_version
  passwords        = var.make_passwords ? local.passwords : {}
  given = merge(
    { "jwt-private-key" = "Ed25519 private key in PEM (PKCS #8) that access tokens are signed with" },
    var.temporal_credentials != "api_key" ? {} : {
      "temporal-api-key" = "API key of a Temporal Cloud service account"
    },
    var.temporal_credentials != "mtls" ? {} : {
      "temporal-tls-cert" = "Client certificate for Temporal, PEM"
      "temporal-tls-key"  = "Private key of the client certificate for Temporal, PEM"
    },
    var.make_passwords ? {} : local.passwords,
  )
}

module "registry" {
  count        = var.create_registry ? 1 : 0
  source       = "./modules/registry"
  repositories = ["mrmrthon/api", "mrmrthon/worker"]
  readers      = var.registry_readers
}

module "observability" {
  source              = "./modules/observability"
  name                = local.name
  region              = var.region
  active              = var.running
  emails              = var.alarm_emails
  slack               = var.slack
  cluster_name        = aws_ecs_cluster.this.name
  service_names       = { api = module.api_service.name, worker = module.worker_service.name }
  service_arns        = { api = module.api_service.arn, worker = module.worker_service.arn }
  log_groups          = { api = module.api_task.log_group, worker = module.worker_task.log_group }
  queue_name          = module.queues.name
  dead_letter_name    = module.queues.dead_letter_name
  mail_queues         = var.mail_from == "" ? null : { events = module.mail[0].name, dead_letters = module.mail[0].dead_letter_name }
  balancer_suffix     = module.edge.balancer_suffix
  distribution_id     = module.edge.distribution_id
  target_group_suffix = module.edge.target_group_suffix
  database_clusters   = { main_db = module.main_db.cluster_identifier, user_db = module.user_db.cluster_identifier }
  storage_alarm_bytes = var.storage_alarm_gb * 1000000000
  database_memory     = { main_db = module.main_db.memory_alarm, user_db = module.user_db.memory_alarm }
  serverless          = { main_db = var.main_db.class == "db.serverless", user_db = var.user_db.class == "db.serverless" }
  providers = {
    aws.us_east_1 = aws.us_east_1
  }
  # Twice the pools of all tasks: during a rolling update old and new are there.
  connection_limit = 2 * (var.api.max * var.api.connections + var.worker.max * var.worker.connections)
}

module "metrics" {
  source = "./modules/metrics"
  name   = local.name
  region = var.region
  # Without programs there is nothing to watch, and AuditSilent and ProgramGone would only say so.
  rules     = var.running ? file("${path.module}/../prometheus/rules.yml") : null
  topic_arn = module.observability.topic_arn
}

module "backup" {
  source       = "./modules/backup"
  name         = local.name
  cluster_arns = { main_db = module.main_db.cluster_arn, user_db = module.user_db.cluster_arn }
  days         = var.locked_backup_days
  lock_grace   = var.backup_lock_grace_days
  topic_arn    = module.observability.topic_arn
}

module "budget" {
  source    = "./modules/budget"
  name      = local.name
  dollars   = var.monthly_budget
  topic_arn = module.observability.topic_arn
  emails    = var.alarm_emails
}
