# Secrets of the programs. Passwords are made here and written without being
# kept in Terraform's state; a higher version writes new ones. The other
# secrets come from elsewhere and are put in by hand, once and at a rotation.

resource "aws_secretsmanager_secret" "this" {
  for_each                = merge(var.passwords, var.given)
  name                    = "${var.name}/${each.key}"
  description             = each.value
  recovery_window_in_days = 7
}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each            = var.passwords
  password_length     = 40
  exclude_punctuation = true # so that it can stand between quotes in SQL
}

resource "aws_secretsmanager_secret_version" "password" {
  for_each                 = var.passwords
  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = var.password_version
}
