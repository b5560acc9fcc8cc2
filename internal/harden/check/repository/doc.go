// Package repository judges a repository as a whole: credentials in its files,
// what .gitignore keeps out, lock files, who reviews and who mends, and what
// runs when somebody opens it.
package repository
