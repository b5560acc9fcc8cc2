// Package ci judges the pipelines of a repository, those of GitHub and GitLab:
// whose code they run, with which rights, what strangers can put into them, and
// whether they look for known holes.
package ci
