// Package build reports which version and commit a program was built from.
package build

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Both are set by the linker:
//
//	-ldflags "-X github.com/mrmrthon/mrmrthon/internal/build.version=v1.2.3
//	          -X github.com/mrmrthon/mrmrthon/internal/build.commit=0123abc…"
var version, commit string

// Version is the semantic version; "dev" when none was stamped.
func Version() string {
	if version == "" {
		return "dev"
	}
	return version
}

// Commit is the commit it was built from: the one set by the linker, else the one
// that the go command recorded, else "unknown".
func Commit() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}

// Register adds mrmrthon_build_info, always 1, with version, commit and Go's
// version as labels.
func Register(registry prometheus.Registerer) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mrmrthon_build_info", Help: "1, with the build of the program as labels.",
		ConstLabels: prometheus.Labels{"version": Version(), "commit": Commit(), "goversion": runtime.Version()},
	})
	info.Set(1)
	registry.MustRegister(info)
}
