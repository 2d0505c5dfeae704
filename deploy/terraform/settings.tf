# The environment of every task: setting = value. What the settings mean stands
# in deploy/docs/settings.md; a test compares these maps with the
# programs' own. Keys are literal and a null value leaves the setting out.
#
# *_environment is readable by anybody who may describe a task. *_secrets names
# where in Secrets Manager a value is; ECS reads it when the task starts, with
# an execution role that may read these secrets and no others.
#
# GOMEMLIMIT leaves a fifth of the task's memory to what is not Go's heap and to
# the collector of metrics beside the program.

locals {
  database_ca = file(var.database_ca_file)
  temporal_ca = var.temporal_ca_file == null ? null : file(var.temporal_ca_file)

  api_environment = {
    GOMEMLIMIT = "${floor(0.8 * var.api.memory)}MiB"
    LOG_LEVEL  = var.log_level
    API_ADDR   = ":8080"

    MAIN_DB_ADDR      = module.main_db.address
    MAIN_DB_NAME      = "main_db"
    MAIN_DB_USER      = "main_api"
    MAIN_DB_MAX_CONNS = tostring(var.api.connections)
    MAIN_DB_TLS       = "true"
    MAIN_DB_TLS_CA    = local.database_ca
    USER_DB_ADDR      = module.user_db.address
    USER_DB_NAME      = "user_db"
    USER_DB_USER      = "user_api"
    USER_DB_MAX_CONNS = tostring(var.api.connections)
    USER_DB_TLS       = "true"
    USER_DB_TLS_CA    = local.database_ca

    # Public reads, on the instances that stand by.
    MAIN_DB_READER_ADDR = var.public_reads_on_standby && var.main_db.instances > 1 ? module.main_db.reader_address : null

    # The collector in the same task; a share of the traces, each whole.
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG     = tostring(var.trace_share)

    AWS_REGION            = var.region
    QUEUE_URL             = module.queues.url
    DEAD_LETTER_QUEUE_URL = module.queues.dead_letter_url

    # Amazon's count of messages lags, and its queue is fair anyway.
    OUTBOX_AHEAD = "2000"

    TEMPORAL_ADDRESS   = var.temporal_address
    TEMPORAL_NAMESPACE = var.temporal_namespace
    TEMPORAL_UI_URL    = var.temporal_ui_url
    GRAFANA_URL        = var.grafana_url
    TEMPORAL_TLS       = tostring(var.temporal_tls)
    TEMPORAL_TLS_CA    = local.temporal_ca

    API_PUBLIC_URL           = "https://${var.domain}"
    JWT_ISSUER               = "https://${var.domain}"
    JWT_PREVIOUS_PUBLIC_KEYS = var.jwt_previous_public_keys
    SIGN_UPS_PER_ADDRESS     = tostring(var.sign_ups_per_address)
    SIGN_UPS_PER_MINUTE      = tostring(var.sign_ups_per_minute)
    MAX_FIXED_POINTS         = tostring(var.max_fixed_points)
    REQUIRE_PASSKEY          = var.require_passkey
    TRUSTED_PROXIES          = var.vpc_cidr # the load balancer, which CloudFront alone can reach
  }

  api_secrets = {
    MAIN_DB_PASSWORD  = module.secrets.arns["main-api-password"]
    USER_DB_PASSWORD  = module.secrets.arns["user-api-password"]
    JWT_PRIVATE_KEY   = module.secrets.arns["jwt-private-key"]
    TEMPORAL_API_KEY  = var.temporal_credentials == "api_key" ? module.secrets.arns["temporal-api-key"] : null
    TEMPORAL_TLS_CERT = var.temporal_credentials == "mtls" ? module.secrets.arns["temporal-tls-cert"] : null
    TEMPORAL_TLS_KEY  = var.temporal_credentials == "mtls" ? module.secrets.arns["temporal-tls-key"] : null
  }

  worker_environment = {
    GOMEMLIMIT  = "${floor(0.8 * var.worker.memory)}MiB"
    LOG_LEVEL   = var.log_level
    WORKER_ADDR = ":8081"

    WAKE_INTERVAL = var.standings_interval

    MAIN_DB_ADDR      = module.main_db.address
    MAIN_DB_NAME      = "main_db"
    MAIN_DB_USER      = "main_worker"
    MAIN_DB_MAX_CONNS = tostring(var.worker.connections)
    MAIN_DB_TLS       = "true"
    MAIN_DB_TLS_CA    = local.database_ca
    USER_DB_ADDR      = module.user_db.address
    USER_DB_NAME      = "user_db"
    USER_DB_USER      = "user_worker"
    USER_DB_MAX_CONNS = tostring(var.worker.connections)
    USER_DB_TLS       = "true"
    USER_DB_TLS_CA    = local.database_ca

    # The collector in the same task; a share of the traces, each whole.
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG     = tostring(var.trace_share)

    AWS_REGION            = var.region
    QUEUE_URL             = module.queues.url
    DEAD_LETTER_QUEUE_URL = module.queues.dead_letter_url

    TEMPORAL_ADDRESS   = var.temporal_address
    TEMPORAL_NAMESPACE = var.temporal_namespace
    TEMPORAL_TLS       = tostring(var.temporal_tls)
    TEMPORAL_TLS_CA    = local.temporal_ca

    MAIL_SENDER    = var.mail_from == "" ? "off" : "ses"
    MAIL_FROM      = var.mail_from
    SES_REGION     = var.region
    API_PUBLIC_URL = "https://${var.domain}"

    SES_CONFIGURATION_SET             = var.mail_from == "" ? null : module.mail[0].configuration_set
    MAIL_EVENTS_QUEUE_URL             = var.mail_from == "" ? null : module.mail[0].url
    MAIL_EVENTS_DEAD_LETTER_QUEUE_URL = var.mail_from == "" ? null : module.mail[0].dead_letter_url
  }

  worker_secrets = {
    MAIN_DB_PASSWORD  = module.secrets.arns["main-worker-password"]
    USER_DB_PASSWORD  = module.secrets.arns["user-worker-password"]
    TEMPORAL_API_KEY  = var.temporal_credentials == "api_key" ? module.secrets.arns["temporal-api-key"] : null
    TEMPORAL_TLS_CERT = var.temporal_credentials == "mtls" ? module.secrets.arns["temporal-tls-cert"] : null
    TEMPORAL_TLS_KEY  = var.temporal_credentials == "mtls" ? module.secrets.arns["temporal-tls-key"] : null
  }

  # api migrate: logs in with the accounts that may change the databases, and
  # grants each program's account what the program needs.
  migrate_environment = {
    LOG_LEVEL = var.log_level

    MAIN_DB_ADDR   = module.main_db.address
    MAIN_DB_NAME   = "main_db"
    MAIN_DB_USER   = "main_ddl"
    MAIN_DB_TLS    = "true"
    MAIN_DB_TLS_CA = local.database_ca
    USER_DB_ADDR   = module.user_db.address
    USER_DB_NAME   = "user_db"
    USER_DB_USER   = "user_ddl"
    USER_DB_TLS    = "true"
    USER_DB_TLS_CA = local.database_ca

    MAIN_DB_API_USER    = "main_api"
    MAIN_DB_WORKER_USER = "main_worker"
    USER_DB_API_USER    = "user_api"
    USER_DB_WORKER_USER = "user_worker"
  }

  migrate_secrets = {
    MAIN_DB_PASSWORD = module.secrets.arns["main-ddl-password"]
    USER_DB_PASSWORD = module.secrets.arns["user-ddl-password"]
  }

  # api operator
  operator_environment = {
    LOG_LEVEL = var.log_level

    USER_DB_ADDR   = module.user_db.address
    USER_DB_NAME   = "user_db"
    USER_DB_USER   = "user_api"
    USER_DB_TLS    = "true"
    USER_DB_TLS_CA = local.database_ca

    OPERATOR_LOGIN = var.operator_login
  }

  operator_secrets = {
    USER_DB_PASSWORD  = module.secrets.arns["user-api-password"]
    OPERATOR_PASSWORD = module.secrets.arns["operator-password"]
  }

  # The MySQL client that makes databases and accounts (modules/accounts); not
  # a program of ours.
  accounts_environment = {
    MAIN_DB_HOST = module.main_db.host
    USER_DB_HOST = module.user_db.host
    DATABASE_CA  = local.database_ca
  }

  accounts_secrets = {
    MAIN_DB_MASTER_USER     = "${module.main_db.master_secret_arn}:username::"
    MAIN_DB_MASTER_PASSWORD = "${module.main_db.master_secret_arn}:password::"
    USER_DB_MASTER_USER     = "${module.user_db.master_secret_arn}:username::"
    USER_DB_MASTER_PASSWORD = "${module.user_db.master_secret_arn}:password::"
    MAIN_DDL_PASSWORD       = module.secrets.arns["main-ddl-password"]
    MAIN_API_PASSWORD       = module.secrets.arns["main-api-password"]
    MAIN_WORKER_PASSWORD    = module.secrets.arns["main-worker-password"]
    USER_DDL_PASSWORD       = module.secrets.arns["user-ddl-password"]
    USER_API_PASSWORD       = module.secrets.arns["user-api-password"]
    USER_WORKER_PASSWORD    = module.secrets.arns["user-worker-password"]
  }
}
