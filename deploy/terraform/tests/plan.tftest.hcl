# Plans every shape of an environment with the real provider and without an
# account, so that each expression, loop, condition and validation is evaluated:
#
#   terraform init -backend=false
#   for size in small medium large; do terraform test -var-file=sizes/$size.tfvars; done
#
# A plan of what is not there yet asks Amazon nothing but what is given here.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "us_east_1"
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_availability_zones.this
  values = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

override_data {
  target = data.aws_route53_zone.this
  values = { zone_id = "Z0123456789ABCDEFGHIJ" }
}

override_data {
  target = module.edge.data.aws_ec2_managed_prefix_list.cloudfront
  values = { id = "pl-0123456789abcdef0" }
}

override_data {
  target = module.edge.data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

override_data {
  target = module.observability.data.aws_caller_identity.this
  values = { account_id = "123456789012" }
}

# Making passwords asks Amazon for random ones; here they are put in by hand.
variables {
  make_passwords       = false
  environment          = "check"
  zone                 = "example.org"
  domain               = "results.example.org"
  database_ca_file     = "tests/ca.pem"
  temporal_address     = "us-east-1.aws.api.temporal.io:7233"
  temporal_namespace   = "mrmrthon.a1b2c"
  temporal_credentials = "api_key"
  alarm_emails         = ["operations@example.org"]
  slack                = { team_id = "T0123ABCD", channel_id = "C0123ABCD" }
  mail_from            = "no-reply@example.org"
}

run "everything_is_made" {
  command = plan

  assert {
    condition     = output.cluster_name == "mrmrthon-check" && output.service_names.api == "mrmrthon-check-api" && output.service_names.worker == "mrmrthon-check-worker"
    error_message = "the pipelines rely on these names"
  }
  assert {
    condition     = output.task_families.migrate == "mrmrthon-check-migrate"
    error_message = "the pipelines rely on this family"
  }
  assert {
    condition     = local.worker_environment.WAKE_INTERVAL == var.standings_interval
    error_message = "the interval of standings is to reach the worker"
  }
  assert {
    condition     = local.worker_environment.SES_CONFIGURATION_SET == "mrmrthon-check" && length(local.worker_rights) == 5
    error_message = "bounces and complaints are to reach the worker"
  }
  assert {
    condition     = contains(local.excluded_zones, "use1-az3")
    error_message = "Fargate has no ARM in use1-az3"
  }
  assert {
    condition     = local.deploy_subject == "repo:mrmrthon/mrmrthon:environment:check" && local.images_subject == "repo:mrmrthon/mrmrthon:ref:refs/tags/v*"
    error_message = "an older repository names no IDs"
  }
  assert {
    condition     = local.api_secrets.TEMPORAL_TLS_CERT == null && local.api_secrets.TEMPORAL_TLS_KEY == null
    error_message = "with an API key the programs are to get no certificate"
  }
}

run "mtls" {
  command = plan
  variables {
    mail_from            = "" # nothing of mails is made
    temporal_credentials = "mtls"
    nat                  = "per_zone"
    interface_endpoints  = ["sqs", "logs"]
    create_registry      = false
    running              = false
    slack                = null
  }
  assert {
    condition     = local.worker_secrets.TEMPORAL_API_KEY == null
    error_message = "with a certificate the programs are to get no API key"
  }
  assert {
    condition     = length(output.nat_addresses) == 2
    error_message = "a NAT gateway for each zone was asked for"
  }
}

run "second_account" {
  command = plan
  variables {
    region                 = "us-east-1"
    create_registry        = false
    create_github_provider = false
    registry               = "210987654321.dkr.ecr.us-east-1.amazonaws.com"
    github_ids             = { owner = 123456, repository = 456789 }
    cpu_architecture       = "X86_64"
    backup_lock_grace_days = 3
  }
  assert {
    condition     = output.ecr_urls.api == "210987654321.dkr.ecr.us-east-1.amazonaws.com/mrmrthon/api" && output.images == null
    error_message = "images are pulled from the other account and pushed to no registry here"
  }
  assert {
    condition     = local.deploy_subject == "repo:mrmrthon@123456/mrmrthon@456789:environment:check"
    error_message = "a newer repository names its IDs"
  }
}

run "registry_for_others" {
  command = plan
  variables {
    registry_readers = ["210987654321"]
    excluded_zones   = ["use1-az2"]
  }
}

run "another_region" {
  command = plan
  variables {
    region = "eu-central-1"
  }
}

run "own_temporal" {
  command = plan
  variables {
    temporal_credentials = "none"
    temporal_address     = "temporal.internal:7233"
    temporal_ca_file     = "tests/ca.pem"
  }
}

run "faults_are_named" {
  command = plan
  variables {
    environment         = "Production-of-ours"
    domain              = "results.example.com"
    vpc_cidr            = "10.0.0.0/28"
    nat                 = "none"
    interface_endpoints = ["s3"]
    temporal_address    = "us-east-1.aws.api.temporal.io"
    temporal_tls        = false
    main_db             = { class = "db.serverless", instances = 1 }
    monthly_budget      = 0
    log_days            = 31
    database_ca_file    = "tests/plan.tftest.hcl"

    read_limit             = 20000
    excluded_zones         = ["us-east-1a"]
    registry               = "docker.io"
    registry_readers       = ["us"]
    github_ids             = { owner = 0, repository = 1 }
    locked_backup_days     = 1
    backup_lock_grace_days = 1
    access_log_days        = 1
    trace_share            = 2
    storage_alarm_gb       = 0
  }
  expect_failures = [
    var.environment, var.domain, var.vpc_cidr, var.nat, var.interface_endpoints, var.temporal_address, var.temporal_tls,
    var.main_db, var.monthly_budget, var.log_days, var.database_ca_file, var.read_limit, var.excluded_zones, var.registry,
    var.registry_readers, var.github_ids, var.locked_backup_days, var.backup_lock_grace_days, var.access_log_days,
    var.trace_share, var.storage_alarm_gb,
  ]
}
