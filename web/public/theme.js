/* Sets the colour theme before the first paint; a file of its own because the content policy forbids inline scripts. */
;(function () {
  var stored = null
  try {
    stored = localStorage.getItem('vueuse-color-scheme')
  } catch {
    stored = null
  }
  var dark = stored === 'dark' || ((!stored || stored === 'auto') && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
