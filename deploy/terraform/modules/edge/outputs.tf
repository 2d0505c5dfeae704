output "target_group_arn" {
  description = "Target group that the API's tasks register with."
  value       = aws_lb_target_group.api.arn
  depends_on  = [aws_lb_listener_rule.api] # a service cannot use a group without a listener
}

output "security_group_id" {
  description = "Security group of the load balancer."
  value       = aws_security_group.balancer.id
}

output "balancer_suffix" {
  description = "Name of the load balancer in CloudWatch."
  value       = aws_lb.this.arn_suffix
}

output "target_group_suffix" {
  description = "Name of the target group in CloudWatch."
  value       = aws_lb_target_group.api.arn_suffix
}

output "pages_bucket" {
  description = "Bucket of the static pages."
  value       = aws_s3_bucket.pages.bucket
}

output "distribution_id" {
  description = "CloudFront distribution, for invalidations."
  value       = aws_cloudfront_distribution.this.id
}
