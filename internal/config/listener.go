package config

import "github.com/portcullis-dev/portcullis/internal/config/server"

// Server is [server].
type Server = server.Server

// ServerLimits is [server.limits].
type ServerLimits = server.Limits
