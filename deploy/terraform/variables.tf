# The variables of an environment. Sizes are in sizes/*.tfvars, the rest in the
# environment's own file; example.tfvars is a template.

variable "environment" {
  description = "Name of the environment, a part of every name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment must be 2 to 12 lower-case letters and digits and start with a letter, as in production: load balancers take 32 characters in all."
  }
}

variable "region" {
  description = "AWS region of everything but CloudFront's certificate and firewall."
  type        = string
  default     = "us-east-1"
  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region must be a region's code, as in us-east-1."
  }
}

variable "zone" {
  description = "Public Route 53 hosted zone that the domain is in."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.zone))
    error_message = "zone must be a domain in lower case without a final dot, as in example.org."
  }
}

variable "domain" {
  description = "Host name of site and API."
  type        = string
  validation {
    condition     = var.domain == var.zone || endswith(var.domain, ".${var.zone}")
    error_message = "domain must be the hosted zone's name or end in it, as results.example.org does in example.org."
  }
}

variable "running" {
  description = "Whether api and worker run. False for the first apply, when there are neither images nor secrets yet, and between seasons."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Refuse to delete databases and load balancer."
  type        = bool
  default     = true
}

# Network

variable "vpc_cidr" {
  description = "Address range of the VPC."
  type        = string
  default     = "10.40.0.0/16"
  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /20, as in 10.40.0.0/16: each of its subnets takes a sixteenth."
  }
}

variable "nat" {
  description = "NAT gateways: one for both zones, or one per_zone so that a zone's end cuts nothing off."
  type        = string
  validation {
    condition     = contains(["one", "per_zone"], var.nat)
    error_message = "nat must be one or per_zone."
  }
}

variable "interface_endpoints" {
  description = "AWS services to reach without NAT."
  type        = set(string)
  default     = []
  validation {
    condition     = length(setsubtract(var.interface_endpoints, ["sqs", "secretsmanager", "ecr.api", "ecr.dkr", "logs", "aps-workspaces"])) == 0
    error_message = "interface_endpoints may name sqs, secretsmanager, ecr.api, ecr.dkr, logs and aps-workspaces; the tasks call nothing else, and S3 always has an endpoint."
  }
}

variable "price_class" {
  description = "Where CloudFront serves from."
  type        = string
  default     = "PriceClass_100" # Europe and North America
  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "excluded_zones" {
  description = "IDs of zones to leave out besides those that are known to lack something, as in use1-az3."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for id in var.excluded_zones : can(regex("^[a-z]+[0-9]-az[0-9]+$", id))])
    error_message = "excluded_zones must be IDs of zones, as in use1-az3; names such as us-east-1a mean another zone in every account."
  }
}

variable "read_limit" {
  description = "Public reads (GET and HEAD without a login) in 5 minutes from one address before the firewall refuses it."
  type        = number
  # A carrier's NAT can hide a city behind one address: 50,000 people who look every 10 s make 1.5 million reads in 5
  # minutes. Nearly all are answered from CloudFront's cache; this limit stops only what no crowd does.
  default = 2000000
  validation {
    condition     = var.read_limit >= 1500000 && var.read_limit <= 2000000000
    error_message = "read_limit must be 1,500,000 (a city behind one address, reading every 10 s) to 2,000,000,000 in 5 minutes."
  }
}

variable "request_limit" {
  description = "Other requests (with a login, or that write) in 5 minutes from one address before the firewall refuses it."
  type        = number
  default     = 20000 # a timing company and its devices share one
  validation {
    condition     = var.request_limit >= 100 && var.request_limit <= 2000000000
    error_message = "request_limit must be 100 to 2,000,000,000 in 5 minutes."
  }
}

variable "login_limit" {
  description = "Logins, sign-ups and token refreshes in 5 minutes from one address before the firewall refuses it; the API's own limits are per account."
  type        = number
  default     = 1000
  validation {
    condition     = var.login_limit >= 10 && var.login_limit <= 2000000000
    error_message = "login_limit must be 10 to 2,000,000,000 in 5 minutes."
  }
}

variable "access_log_days" {
  description = "Days that the logs of CDN, firewall and load balancer are kept. They hold the addresses of people: no longer than the privacy notice says."
  type        = number
  default     = 30
  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.access_log_days)
    error_message = "access_log_days must be 7, 14, 30, 60, 90, 180 or 365."
  }
}

# Programs

variable "image_tag" {
  description = "Tag of the images in the revisions that Terraform registers. Releases put in their own, so it matters for jobs run by hand and where no release has been yet."
  type        = string
  default     = "none"
  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))
    error_message = "image_tag must be an image's tag, as in v1.4.0."
  }
}

variable "cpu_architecture" {
  description = "Architecture of the tasks. Images are built for both; ARM64 costs a fifth less."
  type        = string
  default     = "ARM64"
  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64, as the images were built."
  }
}

variable "api" {
  description = "The API's tasks: CPU units (1,024 are a vCPU) and MiB of each, fewest and most of them, connections of each to each database, and requests a second of each at which there should be another."
  type = object({
    cpu         = number
    memory      = number
    min         = number
    max         = number
    connections = number
    requests    = number
  })
  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.api.cpu) && var.api.memory >= 2 * var.api.cpu && var.api.memory <= 8 * var.api.cpu
    error_message = "api.cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384 units and api.memory two to eight times as many MiB: Fargate has no other sizes."
  }
  validation {
    condition     = var.api.min >= 1 && var.api.max >= var.api.min
    error_message = "api.min must be at least 1 (2 to survive a zone) and api.max no less."
  }
  validation {
    condition     = var.api.connections >= 2 && var.api.requests > 0
    error_message = "api.connections must be at least 2 and api.requests above 0."
  }
}

variable "worker" {
  description = "The worker's tasks: CPU units (1,024 are a vCPU) and MiB of each, fewest and most of them, and connections of each to each database."
  type = object({
    cpu         = number
    memory      = number
    min         = number
    max         = number
    connections = number
  })
  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.worker.cpu) && var.worker.memory >= 2 * var.worker.cpu && var.worker.memory <= 8 * var.worker.cpu
    error_message = "worker.cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384 units and worker.memory two to eight times as many MiB: Fargate has no other sizes."
  }
  validation {
    condition     = var.worker.min >= 1 && var.worker.max >= var.worker.min
    error_message = "worker.min must be at least 1 (2 to survive a zone) and worker.max no less."
  }
  validation {
    condition     = var.worker.connections >= 2
    error_message = "worker.connections must be at least 2."
  }
}

variable "standings_interval" {
  description = "Least time from one wake-up of a race's standings to the next, by each worker, while credits come in: what live readers wait for, and what fills the storage (../GROWING.md)."
  type        = string
  default     = "1s"
  validation {
    condition     = can(regex("^[0-9]+(ms|s|m)$", var.standings_interval))
    error_message = "standings_interval must be a duration, as in 1s or 5s."
  }
}

variable "log_level" {
  description = "How much api and worker log."
  type        = string
  default     = "info"
  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "log_level must be debug, info, warn or error."
  }
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400: CloudWatch has no other terms."
  }
}

variable "jwt_previous_public_keys" {
  description = "Public keys, PEM, that older access tokens are still checked with during a rotation."
  type        = string
  default     = null
}

variable "sign_ups_per_address" {
  description = "Sign-ups from one address that are let through at once, and then evenly over each hour. Raise it for a day on which many people behind one router sign up."
  type        = number
  default     = 60
}

variable "sign_ups_per_minute" {
  description = "Sign-ups from all addresses that each API task lets through at once, and then evenly over each minute."
  type        = number
  default     = 300
}

variable "mail_from" {
  description = "Address that mails to accounts come from, of a domain verified in SES; what SES reports about them later goes to a queue that the worker reads. Without one no mail is sent, and passwords cannot be recovered."
  type        = string
  default     = ""
}

variable "max_fixed_points" {
  description = "The most points that a race with the scoring rule fixed may give to each finisher."
  type        = number
  default     = 1000
}

variable "require_passkey" {
  description = "Whose accounts need a passkey: operators, organizers, both with a comma, or nobody's."
  type        = string
  default     = ""
}

variable "operator_login" {
  description = "Login that the operator task adds; its password is the secret operator-password."
  type        = string
  default     = "operator"
}

# Databases

variable "aurora_version" {
  description = "Aurora MySQL, of a version with long-term support. Another one is installed in the next maintenance window."
  type        = string
  default     = "8.0.mysql_aurora.3.10.4"
  validation {
    condition     = can(regex("^8\\.0\\.mysql_aurora\\.3\\.[0-9]+\\.[0-9]+$", var.aurora_version))
    error_message = "aurora_version must be of Aurora MySQL 3, as in 8.0.mysql_aurora.3.10.4."
  }
}

variable "main_db" {
  description = "Cluster of main_db: instance class, instances (2 survive a zone), whether I/O is paid by the instance, and the capacity of db.serverless in units of 2 GiB."
  type = object({
    class        = string
    instances    = number
    io_optimized = optional(bool, false)
    capacity     = optional(object({ min = number, max = number }))
  })
  validation {
    condition     = (var.main_db.class == "db.serverless") == (var.main_db.capacity != null)
    error_message = "main_db.capacity must be given for db.serverless and for no other class."
  }
  validation {
    condition     = var.main_db.instances >= 1 && var.main_db.instances <= 3
    error_message = "main_db.instances must be 1 to 3; the others stand by for the writer and answer public reads."
  }
}

variable "public_reads_on_standby" {
  description = "Whether main_db's instances that stand by answer public reads (standings, results, pages), when there are any."
  type        = bool
  default     = true
}

variable "user_db" {
  description = "Cluster of user_db: instance class, instances (2 survive a zone), whether I/O is paid by the instance, and the capacity of db.serverless in units of 2 GiB."
  type = object({
    class        = string
    instances    = number
    io_optimized = optional(bool, false)
    capacity     = optional(object({ min = number, max = number }))
  })
  validation {
    condition     = (var.user_db.class == "db.serverless") == (var.user_db.capacity != null)
    error_message = "user_db.capacity must be given for db.serverless and for no other class."
  }
  validation {
    condition     = var.user_db.instances >= 1 && var.user_db.instances <= 3
    error_message = "user_db.instances must be 1 to 3; only the writer is used, the others stand by."
  }
}

variable "backup_days" {
  description = "Days that any moment of the databases can be restored to."
  type        = number
  default     = 14
  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be 1 to 35."
  }
}

variable "locked_backup_days" {
  description = "Days that the daily backups in the locked vault are kept; nobody can delete them earlier, not even root."
  type        = number
  default     = 35
  validation {
    condition     = var.locked_backup_days >= 7 && var.locked_backup_days <= 365
    error_message = "locked_backup_days must be 7 to 365: what is locked is paid for until it ends."
  }
}

variable "backup_lock_grace_days" {
  description = "Days after which the vault's lock can no longer be removed; null for a lock that an administrator can remove."
  type        = number
  default     = null
  validation {
    condition     = var.backup_lock_grace_days == null || try(var.backup_lock_grace_days >= 3, false)
    error_message = "backup_lock_grace_days must be at least 3, or null: Amazon has no shorter grace."
  }
}

variable "database_ca_file" {
  description = "File with Amazon's certificates of the region's databases, from https://truststore.pki.rds.amazonaws.com/<region>/<region>-bundle.pem."
  type        = string
  validation {
    condition     = try(strcontains(file(var.database_ca_file), "BEGIN CERTIFICATE"), false)
    error_message = "database_ca_file must be a file of certificates in PEM: curl -fsSO https://truststore.pki.rds.amazonaws.com/us-east-1/us-east-1-bundle.pem gets it."
  }
}

variable "make_passwords" {
  description = "Generate the passwords of the database accounts and of the operator; false if they are entered by hand like the other secrets (letters and digits only)."
  type        = bool
  default     = true
}

variable "password_version" {
  description = "Increase to replace all passwords of the database accounts and of the operator; then run the accounts task and release."
  type        = number
  default     = 1
  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "password_version must be a whole number from 1 and may only grow."
  }
}

variable "mysql_client_image" {
  description = "Image with bash and the MySQL client, for the accounts task."
  type        = string
  default     = "public.ecr.aws/docker/library/mysql:8.4"
}

# Temporal

variable "temporal_address" {
  description = "Temporal's frontend: host:port of Temporal Cloud's or of a cluster of one's own that the VPC can reach."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{2,5}$", var.temporal_address))
    error_message = "temporal_address must be host:port, as in us-east-1.aws.api.temporal.io:7233 or temporal.internal:7233."
  }
}

variable "temporal_namespace" {
  description = "Namespace; at Temporal Cloud with the account's ID, as in mrmrthon.a1b2c."
  type        = string
  validation {
    condition     = length(var.temporal_namespace) > 0
    error_message = "temporal_namespace must name a namespace that exists."
  }
}

variable "temporal_credentials" {
  description = "How the programs authenticate: api_key or mtls (Temporal Cloud, values in Secrets Manager), or none."
  type        = string
  validation {
    condition     = contains(["api_key", "mtls", "none"], var.temporal_credentials)
    error_message = "temporal_credentials must be api_key, mtls or none."
  }
}

variable "temporal_tls" {
  description = "Whether Temporal is called over TLS; required for Temporal Cloud."
  type        = bool
  default     = true
  validation {
    condition     = var.temporal_tls || var.temporal_credentials == "none"
    error_message = "temporal_tls must be true with temporal_credentials api_key or mtls: credentials never travel in the clear."
  }
}

variable "temporal_ca_file" {
  description = "File with the certificate authority of a Temporal cluster of one's own, PEM; null for the well-known ones, which Temporal Cloud uses."
  type        = string
  default     = null
  validation {
    condition     = var.temporal_ca_file == null || try(strcontains(file(var.temporal_ca_file), "BEGIN CERTIFICATE"), false)
    error_message = "temporal_ca_file must be a file of certificates in PEM."
  }
}

variable "temporal_ui_url" {
  description = "Temporal's Web UI, which trace links lead to."
  type        = string
  default     = "https://cloud.temporal.io"
  validation {
    condition     = can(regex("^https?://[^ ]+[^/ ]$", var.temporal_ui_url))
    error_message = "temporal_ui_url must be a URL without a final slash, as in https://cloud.temporal.io."
  }
}

# Monitoring and cost

variable "grafana_url" {
  description = "Grafana, which operators' pages lead to; without it they have no such link."
  type        = string
  default     = ""
  validation {
    condition     = var.grafana_url == "" || can(regex("^https?://[^ ]+[^/ ]$", var.grafana_url))
    error_message = "grafana_url must be a URL without a final slash, as in https://grafana.example.org, or empty."
  }
}

variable "alarm_emails" {
  description = "Addresses that receive alarms and budget notices."
  type        = list(string)
  default     = []
}

variable "slack" {
  description = "Slack workspace (T…) and channel (C…) that receive alarms and budget notices; null for none. The workspace is authorized by hand first, in the console of Amazon Q Developer in chat applications, and a channel may be in one environment only."
  type        = object({ team_id = string, channel_id = string })
  default     = null
  validation {
    condition     = var.slack == null || can(regex("^T[A-Z0-9]+$", var.slack.team_id)) && can(regex("^[CG][A-Z0-9]+$", var.slack.channel_id))
    error_message = "slack.team_id must be a workspace's ID, as in T0123ABCD, and slack.channel_id a channel's, as in C0123ABCD."
  }
}

variable "collector_image" {
  description = "Image of the OpenTelemetry collector that sends each task's metrics to Prometheus."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.49.0"
}

variable "trace_share" {
  description = "Share of calls and records whose traces go to X-Ray, which charges by the trace."
  type        = number
  default     = 0.01
  validation {
    condition     = var.trace_share >= 0 && var.trace_share <= 1
    error_message = "trace_share must be 0 to 1."
  }
}

variable "storage_alarm_gb" {
  description = "GB of one database at which an alarm asks whether it grows as planned (../GROWING.md)."
  type        = number
  default     = 500
  validation {
    condition     = var.storage_alarm_gb > 0
    error_message = "storage_alarm_gb must be above 0."
  }
}

variable "container_insights" {
  description = "CloudWatch metrics of each task; they cost by the metric."
  type        = bool
  default     = false
}

variable "monthly_budget" {
  description = "US dollars a month; mail and Slack at 80 and 100 %."
  type        = number
  validation {
    condition     = var.monthly_budget > 0
    error_message = "monthly_budget must be above 0 US dollars."
  }
}

# Releases

variable "github_repository" {
  description = "Repository whose pipeline may release."
  type        = string
  default     = "mrmrthon/mrmrthon"
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be owner/name, as in mrmrthon/mrmrthon."
  }
}

variable "github_ids" {
  description = "Immutable IDs of the repository's owner and of the repository, which jobs of repositories made, renamed or transferred since 15 July 2026 send; null for an older repository that has not opted in. gh api repos/OWNER/NAME --jq '{owner: .owner.id, repository: .id}' prints them."
  type        = object({ owner = number, repository = number })
  default     = null
  validation {
    condition     = var.github_ids == null || try(var.github_ids.owner > 0 && var.github_ids.repository > 0, false)
    error_message = "github_ids must be the two numbers that GitHub gave, as in { owner = 123456, repository = 456789 }."
  }
}

variable "registry" {
  description = "Registry that images come from, when it is another account's; null for this account's. It is in the same region."
  type        = string
  default     = null
  validation {
    condition     = var.registry == null || can(regex("^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com$", var.registry))
    error_message = "registry must be an account's registry in this region, as in 123456789012.dkr.ecr.us-east-1.amazonaws.com."
  }
  validation {
    condition     = var.registry == null || !var.create_registry
    error_message = "create_registry must be false where registry names another account's."
  }
}

variable "registry_readers" {
  description = "Accounts, besides this one, whose environments pull the images."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for account in var.registry_readers : can(regex("^[0-9]{12}$", account))])
    error_message = "registry_readers must be account IDs of 12 digits."
  }
}

variable "create_github_provider" {
  description = "Make the account's OIDC provider for GitHub; false where the account has it already."
  type        = bool
  default     = true
}

variable "create_registry" {
  description = "Make the account's image repositories; false in every further environment of an account."
  type        = bool
  default     = true
}
