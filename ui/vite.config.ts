import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The development server passes what it does not serve to a running `aqueduct serve`.
export default defineConfig({
  plugins: [react()],
  build: { outDir: "dist", chunkSizeWarningLimit: 900, sourcemap: false },
  server: { proxy: { "/api": "http://127.0.0.1:8000", "/batch": "http://127.0.0.1:8000" } },
});
