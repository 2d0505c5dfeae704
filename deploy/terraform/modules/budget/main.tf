# The whole account's cost against a monthly sum.

resource "aws_budgets_budget" "month" {
  name         = "${var.name}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.dollars)

  dynamic "notification" {
    for_each = [
      { type = "ACTUAL", percent = 80 },
      { type = "FORECASTED", percent = 100 },
      { type = "ACTUAL", percent = 100 },
    ]
    content {
      comparison_operator        = "GREATER_THAN"
      notification_type          = notification.value.type
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      subscriber_sns_topic_arns  = [var.topic_arn]
      subscriber_email_addresses = var.emails
    }
  }
}
