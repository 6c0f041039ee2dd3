"""How the exporter runs: worker processes, connections and their deadlines, configuration handed to them."""
