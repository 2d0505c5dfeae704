// Package settings is where the programs' settings meet what gives them their
// values: its tests compare what the compiled programs say that they read with
// the README's table, docker-compose.yml and the Terraform task definitions, and
// run the programs with the environment that compose gives them.
//
// `go test ./deploy/settings -run TestReadme -update` writes the README's table.
package settings
