output "url" {
  description = "URL of the records queue."
  value       = aws_sqs_queue.records.url
}

output "arn" {
  description = "ARN of the records queue."
  value       = aws_sqs_queue.records.arn
}

output "name" {
  description = "Name of the records queue in CloudWatch."
  value       = aws_sqs_queue.records.name
}

output "dead_letter_url" {
  description = "URL of the dead letters."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_arn" {
  description = "ARN of the dead letters."
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letter_name" {
  description = "Name of the dead letters in CloudWatch."
  value       = aws_sqs_queue.dead_letters.name
}
