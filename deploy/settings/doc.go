// Package settings tests that every environment agrees with the programs: it
// compares the settings that the compiled programs list with the table in
// deploy/docs/settings.md, docker-compose.yml and the Terraform task
// definitions, and runs the programs with the environment that compose gives
// them.
//
// `go test ./deploy/settings -run TestSettingsPage -update` writes the table.
package settings
