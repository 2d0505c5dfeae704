# A daily copy of both databases in a vault that is locked: an administrator, a
# stolen key or a wrong apply can delete the clusters and their own backups, but not
# these. Point-in-time restore within backup_days remains Aurora's; this is for the case
# that Aurora's backups are lost too.

resource "aws_kms_key" "this" {
  description             = "${var.name}: locked backups"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_backup_vault" "this" {
  name        = var.name
  kms_key_arn = aws_kms_key.this.arn
}

# Without a grace period the lock is in governance mode: principals with the
# permission can remove it. With one it is in compliance mode: after the grace
# period nobody can remove it, not even Amazon.
resource "aws_backup_vault_lock_configuration" "this" {
  backup_vault_name   = aws_backup_vault.this.name
  min_retention_days  = var.days
  max_retention_days  = max(var.days, 365)
  changeable_for_days = var.lock_grace
}

resource "aws_backup_plan" "this" {
  name = var.name
  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.this.name
    schedule          = "cron(0 1 * * ? *)" # UTC, before Aurora's own window
    start_window      = 60
    completion_window = 360
    lifecycle {
      delete_after = var.days
    }
  }
}

resource "aws_iam_role" "this" {
  name = "${var.name}-backup"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "backup.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = toset(["AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"])
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/${each.value}"
}

resource "aws_backup_selection" "databases" {
  name         = "databases"
  plan_id      = aws_backup_plan.this.id
  iam_role_arn = aws_iam_role.this.arn
  resources    = values(var.cluster_arns)
}

# A failed backup raises an alarm: otherwise nobody would notice before it is needed.
resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.name}-backup-failed"
  description = "A backup of a database did not complete"
  event_pattern = jsonencode({
    source        = ["aws.backup"]
    "detail-type" = ["Backup Job State Change"]
    detail = {
      state           = ["FAILED", "ABORTED", "EXPIRED"]
      backupVaultName = [aws_backup_vault.this.name]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = var.topic_arn
}
