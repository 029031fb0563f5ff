// Two pages: the exchange, and the back office's console. Built files are compressed once, here, and not at
// every request; the gateway sends the one that a browser accepts.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const COMPRESSED = /\.(html|js|css|svg|json|webmanifest)$/;
const WORTH_IT_BYTES = 512;

function compressed(folder: string): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    async closeBundle() {
      for (const file of await readdir(folder, { recursive: true })) {
        if (!COMPRESSED.test(file)) continue;
        const path = join(folder, file);
        const content = await readFile(path);
        if (content.length < WORTH_IT_BYTES) continue;
        await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }));
        const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        await writeFile(`${path}.br`, brotliCompressSync(content, { params: quality }));
      }
    },
  };
}

const dist = join(import.meta.dirname, 'dist');

export default defineConfig({
  plugins: [svelte(), compressed(dist)],
  build: {
    outDir: dist,
    target: 'es2023',
    // Nothing inline, or the page's own security policy would refuse it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'console.html'] },
  },
  server: {
    proxy: { '/api': 'http://127.0.0.1:8000', '/stream': { target: 'ws://127.0.0.1:8000', ws: true } },
  },
});
