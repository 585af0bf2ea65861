# Stages: build compiles, modules holds what the gateway needs at run time, demo adds the pretend node (as
# sources, which Node runs), and the last one, the product, is what `docker build .` makes.
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
  && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \
     -o -iname '*.md' -not -iname 'licen*' \) -delete \
  && find node_modules -type d \( -name test -o -name tests \) -not -path '*/dist/*' -prune -exec rm -rf {} + \
  && find node_modules -type d -empty -delete

FROM modules AS demo-modules
# The pretend node's shell is a development dependency, and the only one that the demo needs.
RUN npm install --save-prod --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund \
  "just-bash@$(node -p 'require("./package.json").devDependencies["just-bash"]')"

FROM ${NODE_IMAGE} AS demo
ENV NODE_ENV=production
WORKDIR /app
COPY --from=demo-modules /app/node_modules node_modules
COPY package.json ./
COPY src src
COPY lab lab
USER 1000
ENV SERVER_HOST=0.0.0.0 SERVER_PORT=8000 METRICS_HOST=0.0.0.0
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SERVER_PORT}/livez`).then((a)=>process.exit(a.ok?0:1),()=>process.exit(1))"]
CMD ["node", "lab/demo.ts"]

FROM ${NODE_IMAGE} AS gateway
LABEL org.opencontainers.image.title="proxmox-mcp-gateway" \
      org.opencontainers.image.description="A Proxmox VE cluster behind one MCP endpoint" \
      org.opencontainers.image.licenses="MIT"
# One arena: glibc keeps what is freed in each of them, which under a stream of buffers comes to 20 MB.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=1 \
    SERVER_HOST=0.0.0.0 \
    SERVER_PORT=8000 \
    METRICS_HOST=0.0.0.0 \
    STATE_DIR=/state \
    TRANSFER_DIR=/transfers
WORKDIR /app
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn* /opt/yarn* \
  && mkdir /state /transfers && chown node:node /state /transfers && chmod 0700 /state /transfers
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
# The user node, as a number: Kubernetes' runAsNonRoot does not believe names.
USER 1000
VOLUME /state /transfers
EXPOSE 8000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SERVER_PORT}/livez`).then((a)=>process.exit(a.ok?0:1),()=>process.exit(1))"]
# V8 collects garbage late unless it is told how little there is to hold: at rest and under load these flags take
# a third of the memory away. Without the last one every few megabytes of a file set off a collection, which costs
# as much as the transfer itself. The tests of load and the bench run with them too.
ENTRYPOINT ["node", "--max-semi-space-size=1", "--max-old-space-size=192", "--heap-growing-percent=60", "dist/main.js"]
CMD ["serve"]
