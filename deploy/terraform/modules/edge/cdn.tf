# CloudFront passes the paths of pages and API on, and keeps public answers as long as
# their headers say: standings of the API one second, pages ten, official ones a
# minute, assets for ever. Everything else comes out of S3.

locals {
  # Amazon's own policies have the same ID in every account.
  managed = {
    caching_optimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
    caching_disabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    all_viewer        = "216adef6-5c7f-47e4-b989-5492eafa07d3"
    security_headers  = "67f7725c-6f97-4210-82d7-5512b31e9d03"
  }
}

resource "aws_cloudfront_vpc_origin" "balancer" {
  vpc_origin_endpoint_config {
    name                   = var.name
    arn                    = aws_lb.this.arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "https-only"
    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_origin_access_control" "pages" {
  name                              = "${var.name}-pages"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# The cache key is address, query and login, so that nobody gets another's answer.
resource "aws_cloudfront_cache_policy" "api" {
  name        = "${var.name}-api"
  comment     = "As long as the API says, else not at all"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 3600

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true
    query_strings_config {
      query_string_behavior = "all"
    }
    headers_config {
      header_behavior = "whitelist"
      headers {
        items = ["Authorization", "Accept"]
      }
    }
    cookies_config {
      cookie_behavior = "none"
    }
  }
}

# What pages read besides their address, without being part of a cache's key.
resource "aws_cloudfront_origin_request_policy" "pages" {
  name = "${var.name}-pages"
  headers_config {
    header_behavior = "whitelist"
    headers {
      items = ["Host", "Accept-Language"]
    }
  }
  cookies_config {
    cookie_behavior = "none"
  }
  query_strings_config {
    query_string_behavior = "none"
  }
}

# Pages are the same for everyone: no cookie and no login is part of the key, nor any
# parameter that pages do not have, as other sites add them to links.
resource "aws_cloudfront_cache_policy" "pages" {
  name        = "${var.name}-pages"
  comment     = "As long as the page says, else not at all"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 86400

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true
    query_strings_config {
      query_string_behavior = "whitelist"
      query_strings {
        items = var.page_parameters
      }
    }
    headers_config {
      header_behavior = "none"
    }
    cookies_config {
      cookie_behavior = "none"
    }
  }
}

resource "aws_cloudfront_distribution" "this" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  aliases         = [var.domain]
  price_class     = var.price_class
  web_acl_id      = aws_wafv2_web_acl.this.arn

  origin {
    origin_id                = "pages"
    domain_name              = aws_s3_bucket.pages.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.pages.id
  }

  origin {
    origin_id   = "api"
    domain_name = aws_lb.this.dns_name
    vpc_origin_config {
      vpc_origin_id            = aws_cloudfront_vpc_origin.balancer.id
      origin_keepalive_timeout = 60
      origin_read_timeout      = 60 # an import of 50,000 rows takes seconds
    }
  }

  # The same, for what readers wait for: an old page is shown when this one does not
  # answer, but only after the timeout.
  origin {
    origin_id           = "rendered"
    domain_name         = aws_lb.this.dns_name
    connection_attempts = 2
    connection_timeout  = 3
    vpc_origin_config {
      vpc_origin_id            = aws_cloudfront_vpc_origin.balancer.id
      origin_keepalive_timeout = 60
      origin_read_timeout      = 10
    }
  }

  default_cache_behavior {
    target_origin_id           = "pages"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.managed.caching_optimized
    response_headers_policy_id = local.managed.security_headers
  }

  # Event streams first: they match /v1/* too. Pages behind the login before the pages
  # for everyone, whose paths match them.
  dynamic "ordered_cache_behavior" {
    for_each = concat(
      [{ path = "/v1/races/*/events", cache = local.managed.caching_disabled, compress = false }],
      [for path in var.api_paths : { path = path, cache = aws_cloudfront_cache_policy.api.id, compress = true }],
      [for path in var.own_paths : { path = path, cache = local.managed.caching_disabled, compress = false }], # the API compresses them
    )
    content {
      path_pattern             = ordered_cache_behavior.value.path
      target_origin_id         = "api"
      viewer_protocol_policy   = "redirect-to-https"
      allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods           = ["GET", "HEAD"]
      compress                 = ordered_cache_behavior.value.compress
      cache_policy_id          = ordered_cache_behavior.value.cache
      origin_request_policy_id = local.managed.all_viewer
    }
  }

  # The address of the site leads to the pages in the reader's language, which no cache
  # can know; pages and assets are the same for everyone.
  dynamic "ordered_cache_behavior" {
    for_each = concat(
      [{ path = "/", cache = local.managed.caching_disabled }],
      [for path in var.page_paths : { path = path, cache = aws_cloudfront_cache_policy.pages.id }],
    )
    content {
      path_pattern             = ordered_cache_behavior.value.path
      target_origin_id         = "rendered"
      viewer_protocol_policy   = "redirect-to-https"
      allowed_methods          = ["GET", "HEAD", "OPTIONS"]
      cached_methods           = ["GET", "HEAD"]
      compress                 = true
      cache_policy_id          = ordered_cache_behavior.value.cache
      origin_request_policy_id = aws_cloudfront_origin_request_policy.pages.id
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.cdn.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
}
