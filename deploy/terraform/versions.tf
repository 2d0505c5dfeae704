terraform {
  # 1.11 writes passwords to Secrets Manager without keeping them in the state.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.67" # 5.x gets no more releases
    }
  }

  # Bucket, key and region come from backend.hcl: terraform init
  # -backend-config=backend.hcl. The lock is a file beside the state.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

# CloudFront takes its certificate and its firewall from this region alone.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
  default_tags {
    tags = local.tags
  }
}
