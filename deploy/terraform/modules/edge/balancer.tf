# The load balancer has no public address: CloudFront reaches it inside the VPC,
# by HTTPS alone, so that nobody gets round the firewall. Viewers' plain HTTP is
# redirected by CloudFront.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "CloudFront to load balancer"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-balancer" }
}

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  security_group_id = aws_security_group.balancer.id
  description       = "HTTPS from CloudFront"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "api" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "HTTP to the API"
  referenced_security_group_id = var.api_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.api_port
  to_port                      = var.api_port
}

resource "aws_lb" "this" {
  name                       = var.name
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  # Above the API's 15 s between two signs of life on an event stream, and below
  # the 150 s for which the API keeps an idle connection (api/stop.go).
  idle_timeout = 120
  # CloudFront has put the viewer's address in X-Forwarded-For; another one,
  # CloudFront's own, would hide it from the API's limits.
  xff_header_processing_mode = "preserve"

  access_logs {
    bucket  = aws_s3_bucket.logs.id
    prefix  = "balancer"
    enabled = true
  }
  depends_on = [aws_s3_bucket_policy.logs] # it tries to write when it is made
}

resource "aws_lb_target_group" "api" {
  name        = var.name
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = var.api_port
  protocol    = "HTTP"
  # Calls under way get this long before SIGTERM, and 20 s of the API's own
  # after it.
  deregistration_delay          = 15
  load_balancing_algorithm_type = "least_outstanding_requests" # event streams last

  health_check {
    # Not /readyz, which says whether main_db answers: replacing every task
    # would not bring a database back.
    path                = "/healthz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.balancer.certificate_arn

  # /metrics, /healthz and /readyz are not for the public.
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "There is nothing here."
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "api" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  condition {
    path_pattern {
      values = var.api_paths
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener_rule" "pages" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  condition {
    path_pattern {
      values = concat(["/"], var.page_paths)
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}
