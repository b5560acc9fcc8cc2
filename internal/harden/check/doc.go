// Package check holds a deployment against the rules: it finds out what there
// is to look at, lets every rule of that kind look, and reports.
//
// The rules live in packages below this one, a package for each kind of target;
// [families] lists them. A rule answers pass, fail, unknown or skipped, see
// package rule. What could not be read, a rule that crashed and a rule that
// could not tell are unknown, never a pass.
package check
