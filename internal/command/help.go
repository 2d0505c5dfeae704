package command

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// call is the command line that runs a command.
func (p Program) call(c Command) string { return strings.TrimSpace(p.Name + " " + c.Name) }

// usage lists the commands.
func (p Program) usage() string {
	var text strings.Builder
	fmt.Fprintf(&text, "usage: %s [command]\n\n", p.Name)
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, c := range p.Commands {
		_, _ = fmt.Fprintf(table, "  %s\t%s\n", p.call(c), c.Does)
	}
	_, _ = fmt.Fprintf(table, "  %s settings\tprint the settings of all commands as JSON\n", p.Name)
	_, _ = fmt.Fprintf(table, "  %s [command] --help\tprint a command's settings\n", p.Name)
	_, _ = fmt.Fprintf(table, "  %s --version\tprint version and commit\n", p.Name)
	_ = table.Flush() // writes to memory
	return text.String()
}

// help lists the settings of a command, and the commands.
func (p Program) help(c Command) string {
	var text strings.Builder
	if c.Name == "" {
		text.WriteString(p.usage())
	} else {
		fmt.Fprintf(&text, "usage: %s\n\n  %s\n", p.call(c), c.Does)
	}
	fmt.Fprintf(&text, "\nSettings of %q are environment variables; NAME_FILE names a file that holds a secret or PEM.\n\n", p.call(c))
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "  NAME\tDEFAULT\tUNIT\tMEANING")
	for _, s := range c.settings() {
		name, value := s.Name, s.Default
		if s.File {
			name += "[_FILE]"
		}
		switch {
		case s.Required:
			value = "(required)"
		case value == "":
			value = "-"
		}
		unit := s.Unit
		if s.Secret {
			unit += ", secret"
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", name, value, unit, s.Help)
	}
	_ = table.Flush() // writes to memory
	return text.String()
}
