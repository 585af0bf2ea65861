// Runs on any Node: every npm script asks here first, because the sources need Node 24 to run as they are.
const wanted = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < wanted) {
  process.stderr.write(
    `This needs Node ${wanted}, and ${process.version} is running.\n` +
      `npm ci brings Node ${wanted} along, unless install scripts are switched off. Then run:\n` +
      `  npm rebuild node --ignore-scripts=false --foreground-scripts\n`,
  );
  process.exit(1);
}
