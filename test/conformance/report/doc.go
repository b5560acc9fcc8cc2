// Package report lets others judge the reports that Portcullis writes: axe-core
// in Chromium the pages, the schema that Microsoft's tool ships the SARIF, and
// xmllint with the schema of Jenkins the JUnit.
//
// Run with: make test-conformance
package report
