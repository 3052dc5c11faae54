"""Reports: a network's numbers as one HTML page, its figures as SVG."""
