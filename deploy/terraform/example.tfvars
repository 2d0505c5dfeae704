# Copy to <environment>.tfvars. Nothing secret stands here.
environment      = "production"
region           = "us-east-1"
zone             = "example.org"
domain           = "results.example.org"
database_ca_file = "us-east-1-bundle.pem"

temporal_address     = "us-east-1.aws.api.temporal.io:7233"
temporal_namespace   = "mrmrthon.a1b2c"
temporal_credentials = "api_key"

alarm_emails = ["operations@example.org"]
slack        = { team_id = "T0123ABCD", channel_id = "C0123ABCD" }
