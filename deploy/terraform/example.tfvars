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
# Only after the workspace has been authorized in the console of Amazon Q Developer in chat applications
# (deploy/docs/aws.md, step 0), and in one environment for each channel:
# slack = { team_id = "T0123ABCD", channel_id = "C0123ABCD" }

# gh api repos/OWNER/NAME --jq '{owner: .owner.id, repository: .id}'; leave it out for a repository that has not been
# created, renamed or transferred since 15 July 2026.
github_repository = "mrmrthon/mrmrthon"
github_ids        = { owner = 123456, repository = 456789 }
