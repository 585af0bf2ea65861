# Stages: build compiles, modules holds what the gateway needs at run time, demo adds the pretend node,
# and the last one, the product, is what `docker build .` makes.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY scripts/require-node.mjs scripts/
# No install script runs: the compiler needs none, and the Node of this image is the one that is wanted.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS modules
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund \
  && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \
     -o -name 'test' -o -name 'tests' \) -not -path '*/dist/*/test*' -prune -exec rm -rf {} +

FROM ${NODE_IMAGE} AS demo
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY package.json ./
COPY src src
COPY lab lab
USER node
ENV SERVER_HOST=0.0.0.0 METRICS_HOST=0.0.0.0
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["node", "lab/demo.ts"]

FROM ${NODE_IMAGE} AS gateway
LABEL org.opencontainers.image.title="proxmox-mcp-gateway" \
      org.opencontainers.image.description="A Proxmox VE cluster behind one MCP endpoint" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    SERVER_HOST=0.0.0.0 \
    SERVER_PORT=8000 \
    METRICS_HOST=0.0.0.0 \
    STATE_DIR=/state
WORKDIR /app
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* \
  && mkdir /state && chown node:node /state && chmod 0700 /state
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
USER node
VOLUME /state
EXPOSE 8000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SERVER_PORT}/livez`).then((a)=>process.exit(a.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve"]
