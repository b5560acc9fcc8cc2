// Opens a page in Chromium, in light and dark, wide and narrow and as printed,
// and prints what axe-core finds as JSON. Usage: node axe.mjs PAGE SCREENSHOT
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const [, , page, screenshot] = process.argv
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] })
const found = []
let rules = 0
try {
  for (const colorScheme of ['light', 'dark']) {
    for (const media of ['screen', 'print']) {
      for (const width of [1280, 320]) {
        // The page forbids scripts; axe is one, so its policy is set aside.
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true })
        const tab = await context.newPage()
        await tab.emulateMedia({ media, colorScheme })
        await tab.goto(pathToFileURL(page).href)
        await tab.screenshot({ path: `${screenshot}-${colorScheme}-${media}-${width}.png` })
        await tab.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true }))
        await tab.evaluate(axe)
        const result = await tab.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
        rules += result.passes.length
        for (const v of result.violations) {
          for (const n of v.nodes) found.push(`${colorScheme} ${media} ${width}: ${v.id}: ${v.help}: ${n.html.slice(0, 200)}`)
        }
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        if (wide > 0) found.push(`${colorScheme} ${media} ${width}: the page is ${wide} pixels wider than the window`)
        await context.close()
      }
    }
  }
} finally {
  await browser.close()
}
console.log(JSON.stringify({ rules, found }))
