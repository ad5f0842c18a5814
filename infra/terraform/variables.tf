variable "role_name" {
  description = "The name of the role that this module makes."
  type        = string
  default     = "GrapeshotLoadTests"
}

variable "prefix" {
  description = "What the names of everything in AWS begin with; the same as the launcher's --prefix."
  type        = string
  default     = "artilleryio"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", var.prefix))
    error_message = "Use 1 to 24 lower-case letters, digits and hyphens, the first and the last of them no hyphen."
  }
}

variable "allow_publish" {
  description = "May the role publish the worker image as well (grapeshot image publish)?"
  type        = bool
  default     = true
}

variable "allow_extras" {
  description = "May the role do what a run can do without (tags, a VPC, Lambda's retries switched off)?"
  type        = bool
  default     = true
}

variable "principals" {
  description = "ARNs of users and roles that may take on the role. With none, and without github, everybody in the account who is allowed to."
  type        = list(string)
  default     = []
}

variable "github" {
  description = <<-EOT
    Which GitHub workflows may take on the role: those on a branch, on a tag, of pull requests, in an environment of one
    repository. Branches and tags may be patterns (release/*, v*). subject_format says how GitHub's tokens name the
    repository: "name" (ORG/REPO), "immutable" (ORG@ID/REPO@ID, for repositories made or renamed since July 2026), "both".
  EOT
  type = object({
    organization    = string
    repository      = string
    branches        = optional(list(string), ["main"])
    tags            = optional(list(string), [])
    pull_requests   = optional(bool, false)
    environments    = optional(list(string), [])
    subject_format  = optional(string, "name")
    organization_id = optional(number)
    repository_id   = optional(number)
  })
  default = null

  validation {
    condition     = var.github == null ? true : contains(["name", "immutable", "both"], var.github.subject_format)
    error_message = "subject_format is name, immutable or both."
  }

  validation {
    condition = var.github == null ? true : (
      var.github.subject_format == "name" || (var.github.organization_id != null && var.github.repository_id != null)
    )
    error_message = "The immutable form needs organization_id and repository_id."
  }

  validation {
    condition = var.github == null ? true : (
      length(var.github.branches) + length(var.github.tags) + length(var.github.environments) > 0 || var.github.pull_requests
    )
    error_message = "Allow at least one of branches, tags, pull_requests and environments."
  }

  validation {
    condition = var.github == null ? true : (
      can(regex("^[A-Za-z0-9-]+$", var.github.organization)) && can(regex("^[A-Za-z0-9._-]+$", var.github.repository))
    )
    error_message = "Give organization and repository as plain names; patterns would let strangers in."
  }
}

variable "create_oidc_provider" {
  description = "Make the account's identity provider for GitHub; false where there is one already, for an account has only one."
  type        = bool
  default     = true
}

variable "max_session_duration" {
  description = "Seconds that a session of the role may last at most; longer than the longest test."
  type        = number
  default     = 14400
}
